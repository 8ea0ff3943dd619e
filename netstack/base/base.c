/* placeholder */ typedef int base_empty;
