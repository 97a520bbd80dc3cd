"""What a session operator holds of what to show: resident stores, fed by broadcast, each with a bound."""
