"""What a Robot Framework process needs around its keywords: lifecycle of the run, scrubbed artifacts, verdict test."""
