/* placeholder */ typedef int trap_empty;
