"""What several benchmark plug-ins are made with."""
