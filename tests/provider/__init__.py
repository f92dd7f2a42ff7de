"""A provider of texts for tests: it speaks Twilio's Messages API, and keeps the truth of the handsets."""

#: The only account, its secret, and the phone number that texts come from.
ACCOUNT = "AC" + "5a" * 16
TOKEN = "the-token-of-the-test-account"
NUMBER = "+12025550100"
