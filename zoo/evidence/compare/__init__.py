"""Which attention should I choose? Drop-in layers trained in one host on the same data, beside what they cost.

``tasks`` makes the data, ``training`` trains one layer on one task from one seed, ``running`` goes through all of them
and resumes, ``report`` draws the table.
"""
