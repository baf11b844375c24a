"""What goes over gRPC: generated from proto/marketfeed/v1 by scripts/proto.sh."""
