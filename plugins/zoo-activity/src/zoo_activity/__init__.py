"""What people and agents do, for the zoo: activities, sessions, accidents, teams."""
