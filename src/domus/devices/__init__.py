"""Virtual devices that exist: vbd and vif, plugged by answering their backends' nodes in XenStore."""
