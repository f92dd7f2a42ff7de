"""Signing in by OpenID Connect: authorization code with PKCE; the provider's groups become roles."""
