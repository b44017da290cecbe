"""Worlds whose truth is known, drawn again and again: how often is a false claim let through?"""
