"""Bootable root file systems from a distribution's packages: `xm image build`.

template   what is built, and what of it is refused before anything starts
make       the building, from a template to an image of a store
inside     what runs in namespaces of its own: packages, files, the file system
debian     Debian and Ubuntu, by mmdebstrap
others     distributions with their own tools
system     the files that make packages a guest: mounts, network, console, SSH, users
boot       GRUB: for its own kernel under PV and PVH (read by pvgrub), and for HVM
disk       the partitioned disk
seed       cloud-init's data as a disk

Nothing is mounted where others could see it: packages are unpacked in a mount namespace that ends with the
last of its processes, and a file system is filled by the program that makes it. So an interrupted build
leaves no mount and no loop device, and root is needed for none of it.
"""
