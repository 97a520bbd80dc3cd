"""The forms of other trackers, mapped to events by the small files in `conf/trackers/`."""
