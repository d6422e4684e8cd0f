"""Where things go wrong: vectors of prompts and answers, clusters, baselines. Needs `callspan[analysis]`."""
