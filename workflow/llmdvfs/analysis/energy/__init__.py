"""Energy of devices from their sensors, and of phases from the devices' energy."""
