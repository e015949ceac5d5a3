"""The pictures, clips and sounds that the mocks make, in pure Python."""
