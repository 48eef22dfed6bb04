"""What is lost, what is doubled, and how long it takes, when something breaks: stages as processes on real Kafka brokers."""
