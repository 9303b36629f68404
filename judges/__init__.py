"""The judges that come with evalharness, a module and a prompt file each. They install as `evalharness.judges`."""
