"""What happens between a camera's packet and an alert: pure where it can be, no place that builds things."""
