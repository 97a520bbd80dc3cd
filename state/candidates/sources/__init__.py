"""Where candidates come from: what a session operator holds of the shop, by source."""
