/* placeholder */ typedef int launch_empty;
