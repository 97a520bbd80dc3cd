"""The way in and the way out over HTTP: collection, profiles, notifications of new ones, and pages."""
