"""What files of spans say in figures, and datasets made of them. Needs `callspan[reading]`."""
