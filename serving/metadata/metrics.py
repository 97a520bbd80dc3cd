"""What is counted of products' metadata."""

from prometheus_client import Counter, Gauge

PRODUCTS = Gauge(
    "heliotrope_metadata_products", "Products whose title, price, image and url are known.", multiprocess_mode="livemax"
)
APPLIED = Counter("heliotrope_metadata_changes", "Changes of products that were taken in.")
FAILURES = Counter("heliotrope_metadata_failures", "Times that the topic of products could not be read.", ["error"])
LATE = Counter("heliotrope_metadata_late", "Answers without metadata, because it was not there within the budget.")
