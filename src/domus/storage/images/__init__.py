"""Stores of disk images: `xm image`.

names       what images and snapshots may be called, and sizes
store       a directory of images: looking, claiming, taking in whole or not at all
copying     files: shared blocks where the file system can, else only what is not a hole
cloning     clones, snapshots, going back
resizing    the disk, its partition table and the file system in it
importing   images of elsewhere, none of which is trusted
volumes     a volume group of LVM as a store
build       bootable root file systems from packages
"""
