"""D4RL's AntMaze and Kitchen on today's MuJoCo, and how exactly an environment repeats its data.

`import ivr` is enough for `gymnasium.make("ivr/D4RLAntMaze-medium-v2")`.
"""
