"""Networks of the students: face, voice and affect."""
