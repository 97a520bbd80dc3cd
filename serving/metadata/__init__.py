"""What a shop shows of its products (title, price, image, url), kept on each serving host: decision 0031."""
