"""Files back to spans: lines to records, records to trees."""
