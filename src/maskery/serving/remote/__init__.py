"""Pictures by URL, safely."""
