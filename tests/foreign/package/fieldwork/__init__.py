"""Everything that a package can bring to metanas: domains, a method, a network and a suite."""
