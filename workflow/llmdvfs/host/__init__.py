"""What every room needs of the machine below it: locks between runs, children, rights. It knows of no study."""
