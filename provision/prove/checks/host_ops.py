"""What of a training may run on the host, each with its reason. Nobody can list all that may not."""

import re
from typing import Final

# Of the explicit step: the only operations of floating point. Operations on integers are bookkeeping of shapes and
# seeds: frameworks keep 32-bit integers in host memory on purpose.
HOST_OPS: Final = {
    "Const": "a constant of a graph is made on the host and copied",
    "_EagerConst": "the same, outside of a graph",
    "aten.lift_fresh.default": "torch's number out of Python, which joins a tensor on any device",
    "aten.scalar_tensor.default": "the same",
}
# Of fit's graphs, as patterns of whole names, of any version. All else is the model's own work, whatever a library or a
# compiler calls it: _MklMatMul, _MklNativeFusedMatMul, _XlaRun, Relu. Sources: TensorFlow's registered operations
# (core/ops), its placer (core/common_runtime/placer.cc), and the graph of fit that the tests hold.
FIT_OPS: Final = {
    "the input pipeline": r"(Anonymous)?(MultiDevice)?Iterator\w*|Optional\w*|\w+Dataset|(Delete|Dummy)\w*",
    "copies, no computation": r"_?(Host)?(Send|Recv)|IdentityN?|NoOp|Const|_EagerConst|Placeholder|_Arg|_Retval",
    "calls and branches; what they call is in the trace, too": r"(Stateless|Ref)?(If|While|Case|Switch|Merge|Enter|"
    r"Exit)|NextIteration|LoopCond|(Stateful)?PartitionedCall",
    "questions about a value": r"Assert|Print|Logical(And|Or|Not)|(Less|Greater)(Equal)?|Equal|NotEqual|Select|All|Any",
    "counters and seeds: a weight on the host is seen by its own place": r"VarHandleOp|VarIsInitializedOp|"
    r"ReadVariableOp|Assign(Add|Sub)?VariableOp|(Stateless)?Random\w+",
    "shapes, and numbers of another type": r"Shape|ShapeN|Size|Rank|Reshape|Squeeze|ExpandDims|StridedSlice|Slice|Pack|"
    r"Unpack|Concat|Split|Gather|Fill|Range|Tile|Transpose|Broadcast(Args|To|GradientArgs)|InvertPermutation|Prod|Cast|"
    r"(Zeros|Ones)Like",
    "single numbers: an optimizer's step, a metric": r"AddN?|Sub|Mul|Div|RealDiv|DivNoNan|Floor(Div|Mod)|Maximum|"
    r"Minimum|Neg|Pow|Square|Sqrt|Rsqrt|Reciprocal|Mean|Sum|ArgMax",
}
FIT: Final = re.compile("|".join(f"(?:(?:{pattern})(?:V[0-9]+)?)" for pattern in FIT_OPS.values()))
