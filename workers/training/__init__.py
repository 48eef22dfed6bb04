"""How the fusion network is taught: from files to features, from features to windows, from windows to weights."""
