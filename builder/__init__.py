"""pyoci-builder: Dockerfiles into content-addressed, signed OCI image layouts."""
