/* placeholder */ typedef int core_empty;
