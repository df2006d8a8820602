"""Energy of devices from their sensors, and energy of phases from that of the devices."""
