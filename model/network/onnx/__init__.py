"""Networks from ONNX files; `file.read` begins."""
