"""`podium doctor`: what would stop a person on this machine or in an AWS account, before anything is made there."""
