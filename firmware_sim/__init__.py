"""A simulated store with known truth: radios, shoppers, handsets, a fake FCM."""
