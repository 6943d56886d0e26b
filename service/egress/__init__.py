"""The ways out of the service: their settings, their health per site, and the choice of one for each job."""
