# ruff: noqa: E501 - long lists of devices read best as they are
"""Files in xl.cfg for the oracles: every guest type, every kind of device, every form of disks and cards."""

from __future__ import annotations

from typing import Final

_UUID: Final = "uuid='3c2f6a2c-0000-4000-8000-000000000001'\n"
PV: Final = f"name='d'\nkernel='/root/k'\n{_UUID}"
HVM: Final = f"name='d'\ntype='hvm'\n{_UUID}"

PVH: Final = f"{PV}type='pvh'\n"

FILES: Final = {
    "least": PV,
    "usual": PV + "memory=256\nmaxmem=512\nvcpus=2\nmaxvcpus=4\nroot='/dev/xvda ro'\nextra='console=hvc0'\n"
    "cpu_weight=512\ncap=50\non_crash='coredump-restart'\ncpus='0'\n",
    "pvh": PV + "type='pvh'\nvif=['bridge=xenbr0,mac=00:16:3e:00:00:01','rate=10Mb/s,vifname=a']\n"
    "disk=['/dev/null,raw,xvda,rw','format=qcow2,vdev=xvdb,access=ro,target=/a']\n",
    "hvm": HVM
    + "memory=512\nvga='stdvga'\nvnc=1\nvnclisten='0.0.0.0'\nserial='pty'\nusb=1\nusbdevice='tablet'\n"
    "boot='dc'\nacpi_s3=0\nhpet=0\nviridian=['defaults','synic']\nsoundhw='hda'\nkeymap='de'\nbios='seabios'\n"
    "xen_platform_pci=1\ndisk=['/dev/null,raw,hda,rw',',,hdc,cdrom']\n",
    "framebuffers": PV + "vfb=['vnc=1,vncpasswd=x,vncdisplay=5','sdl=1']\n",
    "vnc of a PV guest": PV + "vnc=1\nvnclisten='0.0.0.0'\nkeymap='de'\n",
    "features": PV + "cpuid='host,family=31,model=3,x2apic=0,tsc-deadline=k'\n",
    "leaves": PV + f"cpuid=['0x1:ecx={'x' * 11}00{'x' * 19}','7,0:ebx={'x' * 31}0']\n",
    "sizes": HVM
    + "smbios=['system_manufacturer=Example','oem=a']\nmmio_hole=1024\nshadow_memory=8\nvideoram=16\n"
    "spice=1\nspiceport=6000\nspicedisable_ticketing=1\nhdtype='ahci'\ntimer_mode='one_missed_tick_pending'\n"
    "tsc_mode='native'\nnestedhvm=1\nhap=1\noos=0\nlocaltime=1\nrtc_timeoffset=3600\n",
    "resources": PV + "ioports=['2f8-2ff','3f0']\nirqs=[5,7]\niomem=['fe100,4','fe200,1@5']\n"
    "pci=['07:00.0@5,permissive=1','08:00.*']\n",
    "devices": PV + "channel=['name=org.x,connection=socket,path=/run/a','name=y,connection=pty']\n"
    "vtpm=['backend=0']\np9=['tag=t,path=/p,security_model=none']\npvcalls=['backend=0']\n"
    "vdispl=['backend=0,connectors=id0:1920x1080']\n"
    "vkb=['backend-type=linux,unique-id=a,feature-abs-pointer=1,width=10']\n"
    "vsnd=[['CARD,short-name=c,sample-rates=8000;9600','PCM,name=p',"
    "'STREAM,unique-id=0,type=p,channels-max=2']]\n",
    "usb": PV + "usbctrl=['type=pv,version=2,ports=4']\n"
    "usbdev=['type=hostdev,hostbus=1,hostaddr=3,controller=0,port=1']\n",
    "limits": PV
    + "max_event_channels=2047\nmax_grant_frames=64\nmax_maptrack_frames=10\nmax_grant_version=1\n"
    "nomigrate=1\npool='Pool-0'\nseclabel='a:b:c'\ndriver_domain=1\nbootloader='pygrub'\n"
    "bootloader_args=['-q','x']\ndevice_model_args=['-a']\ndevice_model_version='qemu-xen'\n"
    "passthrough='disabled'\nvmtrace_buf_kb=64\nmsr_relaxed=1\n",
    "emulated": HVM
    + "vif=['type=ioemu,model=e1000,mtu=9000','type=vif,ip=1.2.3.4,gatewaydev=eth0,untrusted']\n"
    "device_model_args_hvm=['-fda','/x']\ngfx_passthru=1\nusbdevice=['tablet','mouse']\nusb=1\n"
    "serial=['pty','null']\naltp2m='mixed'\nrdm='strategy=host'\nrdm_mem_boundary=1024\nacpi=1\napic=1\nnx=1\n"
    "pae=1\n",
    "shim": PV + "type='pvh'\npvshim=1\npvshim_extra='x'\ncpus=['0','0']\nvcpus=2\ncpus_soft='0'\n",
    "scheduling": PV + "cmdline='root=x'\nramdisk='/root/r'\ne820_host=1\nvpmu=0\nperiod=100\n"
    "extratime=1\ninit_seclabel='a'\nseclabel='b'\nstubdomain_memory=64\ndm_restrict=0\ndevice_model_user='root'\n",
    "numa": HVM + "vnuma=[['pnode=0','size=32','vcpus=0','vdistances=10']]\n",
    "screen": HVM + "vnclisten='1.2.3.4:7'\nvncunused=0\nsdl=1\nopengl=1\ndisplay=':0'\nxauthority='/x'\n"
    "nographic=0\nspiceusbredirection=4\nspiceagent_mouse=0\n",
    "forms of disks": PV
    + "disk=['/dev/vg0/a,,xvda','/srv/b.qcow2,qcow2,xvdb,ro','format=raw, vdev=xvdc, access=rw, target=/srv/a,b.img',"
    "'vdev=xvdd,backendtype=qdisk,format=vhd,target=/srv/a.vhd','vdev=xvde,script=block-iscsi,target=iqn=iqn.2001-05.com.example:s1,portal=192.0.2.7:3260',"
    "'/srv/c.img,raw,xvdf,rw,direct-io-safe,no-discard,untrusted','/dev/vg0/x,raw,d0p7,rw','/dev/vg0/y,raw,51808,w','vhd:/srv/b.vhd,xvdh,w','qcow:/srv/q,xvdi',"
    "'tap:qcow2:/srv/t,xvdj,r','vdev=xvdk,format=qed,discard,target=/srv/e','drbd:res0,xvdl,w','/dev/vg0/z,raw,xvdtq37','file:/srv/f,sda1,w','phy:/dev/a,hdb,w','vdev=xvdm,backend=Domain-0,format=raw,target=/srv/x']\n",
    "forms of drives": HVM
    + "disk=['/srv/a.img,,hda','/srv/i.iso,,hdc,cdrom','raw:/srv/j.iso,hdd:cdrom,ro','vdev=sda,format=raw,access=w,target=/srv/s','vdev=hdb,devtype=cdrom']\n",
    "forms of cards": PV
    + "vif=['','mac=00:16:3e:00:00:11, bridge=xenbr0','ip=192.0.2.5/24,script=vif-route,vifname=web0','rate=250KB/s@20ms','rate=1Gb/s@1s',"
    "'rate=8000b/s@1500us','backend=Domain-0,gatewaydev=eth0,trusted','type=vif,untrusted,mtu=9000,devid=9','netdev=eth1','model=e1000,bridge=b']\n",
    "cards of HVM": HVM
    + "vif=['','type=ioemu,bridge=xenbr0,model=e1000','type=vif,vlan=10p/20','type=ioemu,rate=10Mb/s@2']\n",
    "devices of PVH": PVH
    + "vcpus=2\nmaxvcpus=3\nvif=['bridge=xenbr0']\nchannel=['name=a,connection=pty']\np9=['tag=t,path=/p,security_model=none']\nvtpm=['backend=0,uuid=3c2f6a2c-0000-4000-8000-000000000009']\n"
    "vkb=['backend-type=linux,unique-id=k']\nvdispl=['backend=0,be-alloc=1,connectors=id0:800x600;id1:1024x768']\nusbctrl=['type=qusb,version=1,ports=2']\nvfb=['vnc=1,vnclisten=0.0.0.0,keymap=de']\npvcalls=['backend=0']\n"
    "hap=1\ntimer_mode='delay_for_missed_ticks'\nnestedhvm=0\naltp2m='external'\nacpi=0\nshadow_memory=16\nbootloader='pygrub'\non_watchdog='preserve'\non_soft_reset='destroy'\non_poweroff='rename-restart'\n",
    "devices of HVM": HVM
    + "channel=['name=org.x,connection=socket,path=/run/a']\np9=['tag=t,path=/p,security_model=none']\nvtpm=['backend=0']\n"
    "pci=['0000:07:00.0@5,msitranslate=1,power_mgmt=1','08:10.3,seize=1,rdm_policy=relaxed','bdf=09:00.1,vslot=1f']\nusbctrl=['type=devicemodel,version=3,ports=4','type=auto']\n"
    "usbdev=['type=hostdev,hostbus=0x1,hostaddr=0x3','type=hostdev,hostbus=2,hostaddr=1,controller=1,port=2']\nvfb=['vnc=1']\nvkb=['backend-type=qemu,multi-touch-width=4']\npci_msitranslate=1\npci_permissive=1\n",
    "firmware": HVM
    + "firmware_override='/usr/lib/xen/boot/hvmloader'\nbios='ovmf'\nbios_path_override='/o'\nacpi_firmware='/a'\nsmbios_firmware='/s'\nacpi_s4=0\nacpi_laptop_slate=1\nvpt_align=0\nxen_platform_pci=0\nvkb_device=0\n"
    "vendor_device='xenserver'\nusbversion=3\nmca_caps=['lmce']\nviridian=1\ngfx_passthru='igd'\naltp2mhvm=1\n",
    "uefi": HVM
    + "firmware='uefi'\nviridian=['base','!freq','synic']\nvga='none'\nvnc=0\nnographic=1\nrdm='strategy=host'\n",
    "direct boot": HVM
    + "kernel='/root/k'\nramdisk='/root/r'\nroot='/dev/xvda'\nextra='a  b'\nvga='qxl'\nvideoram=128\nspice=1\nspicehost='::1'\nspicetls_port=6001\nspicepasswd='p'\nspicevdagent=1\nspice_clipboard_sharing=1\nspice_image_compression='lz'\nspice_streaming_video='all'\n",
    "stub domain": HVM
    + "device_model_stubdomain_override=1\ndevice_model_stubdomain_seclabel='x'\nstubdomain_kernel='/k'\nstubdomain_ramdisk='/r'\ndevice_model_override='/q'\ndevice_model_version='qemu-xen'\ndevice_model_args_pv=['-x']\n",
    "labels and builder": "name='d'\nbuilder='hvm'\n"
    + _UUID
    + "memory=0x40\nvcpus=02\nboot='n'\nxend_suspend_evtchn_compat=1\nuuid='3C2F6A2C-0000-4000-8000-00000000000A'\n",
    "old type": "name='d'\nkernel='/k'\npvh=0\nbuilder='generic'\n"
    + _UUID
    + "on_reboot='coredump-destroy'\non_crash='soft-reset'\n",
    "soft affinity": PV + "vcpus=2\ncpus_soft=['0','0']\n",
    "arm": PV + "dtdev=['/a/b']\ndevice_tree='/d'\ngic_version='v3'\ntee='optee'\nvuart='sbsa_uart'\n",
    "escapes": PV + "extra=\"a\\tb\\\\c\\\"d\\'\"\nextra+='e'\nvif=['bridge=b']\nvif+=['bridge=c']\n",
}
