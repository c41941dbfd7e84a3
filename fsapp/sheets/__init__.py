"""Files of rows that people bring and take, CSV and XLSX: what is in their cells is for others to understand."""
