"""Advice: questions that take several range tests, or a range test and a comparison."""
