/* placeholder */ typedef int loop_empty;
