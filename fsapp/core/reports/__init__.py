"""What reports reckon: periods, spans of time, figures and their names. Pure: rows come from `records.reports`."""
