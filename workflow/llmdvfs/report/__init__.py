"""Records in, one HTML page out: `report.html`, which needs nothing but a browser and says the verdict first."""
