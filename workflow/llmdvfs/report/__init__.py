"""Makes one HTML page of records: `report.html`, which needs only a browser and begins with the verdict."""
