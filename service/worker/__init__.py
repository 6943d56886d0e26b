"""What runs in the yt-dlp processes: the template that forks, and the workers. Imports no Trio."""
