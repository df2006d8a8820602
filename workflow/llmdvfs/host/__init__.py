"""What every room needs of the machine: locks between runs, child processes, rights. It knows of no study."""
