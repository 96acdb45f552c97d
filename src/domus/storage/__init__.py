"""Where a domain's bytes come from: disk images, the host's disks, loop devices, kernels handed over."""
