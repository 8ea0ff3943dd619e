/* placeholder */ typedef int filter_empty;
