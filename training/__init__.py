"""The workshop: data sets, teachers, students and their training commands."""
