"""What people do, each action one unit of work: `Work` on a job, `Office` around it, `Standard` for procedures.

Commands and screens call the same functions. A service looks at the view, refuses with a Problem before anything is written, or
appends one group to the replica and says which streams changed. It imports domain and store, never a screen and never the network.
"""
