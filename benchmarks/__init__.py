"""The benchmarks that come with evalharness, one module each. They install as `evalharness.benchmarks`."""
